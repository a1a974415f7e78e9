// One alert for each row of the alarm table of docs/operations.md that Azure can see without the app's help. Log alerts
// read the app's own lines: one JSON object each, with an `event`.
param location string
param tags object
param token string
@description('Empty: no one is told, alerts are only shown.')
param email string
param insightsId string
param serviceBusId string
param cosmosId string
param sweepSeconds int

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'switchyard'
    enabled: true
    emailReceivers: [{ name: 'operators', emailAddress: email, useCommonAlertSchema: true }]
  }
}

var actions = empty(email) ? [] : [{ actionGroupId: people.id }]

var metricAlerts = [
  {
    name: 'dead-letters'
    text: 'Nudges were given up ten times each. Their jobs are safe: read GET /api/ops/dead-letters.'
    scope: serviceBusId
    namespace: 'Microsoft.ServiceBus/namespaces'
    metric: 'DeadletteredMessages'
    aggregation: 'Maximum'
    threshold: 0
    severity: 2
  }
  {
    name: 'nudges-wait'
    text: 'More than 1,000 nudges wait for a worker: run-job fails, or its instances are too few.'
    scope: serviceBusId
    namespace: 'Microsoft.ServiceBus/namespaces'
    metric: 'ActiveMessages'
    aggregation: 'Minimum'
    threshold: 1000
    severity: 2
  }
  {
    name: 'service-bus-throttled'
    text: 'Service Bus refuses requests: Standard shares its operations.'
    scope: serviceBusId
    namespace: 'Microsoft.ServiceBus/namespaces'
    metric: 'ThrottledRequests'
    aggregation: 'Total'
    threshold: 100
    severity: 3
  }
  {
    name: 'cosmos-busy'
    text: 'Cosmos DB uses over 90 % of its request units: raise cosmosMaxThroughput, or move to autoscale.'
    scope: cosmosId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'NormalizedRUConsumption'
    aggregation: 'Maximum'
    threshold: 90
    severity: 3
  }
]

resource byMetric 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for alert in metricAlerts: {
    name: 'alert-${alert.name}-${token}'
    location: 'global'
    tags: tags
    properties: {
      description: alert.text
      enabled: true
      severity: alert.severity
      scopes: [alert.scope]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: alert.name
            criterionType: 'StaticThresholdCriterion'
            metricNamespace: alert.namespace
            metricName: alert.metric
            timeAggregation: alert.aggregation
            operator: 'GreaterThan'
            threshold: alert.threshold
          }
        ]
      }
      actions: actions
    }
  }
]

var events = [
  { name: 'store-away', event: 'store_unavailable', threshold: 20, severity: 1, text: 'Requests are answered 503: Cosmos DB is throttled, failing over, or its role is missing.' }
  { name: 'workers-lost', event: 'attempt_lost', threshold: 10, severity: 2, text: 'Workers die during calls: look for crashes, memory, scale-in.' }
  { name: 'calls-fail', event: 'call_failed', threshold: 200, severity: 2, text: 'Deployments fail: GET /api/ops/status and the lines say which and why.' }
  { name: 'sweep-fails', event: 'sweep_part_failed', threshold: 5, severity: 1, text: 'The sweeper cannot do its work: lost nudges are not made up for.' }
  { name: 'turned-away', event: 'requests_turned_away', threshold: 50, severity: 3, text: 'Clients are answered 429 by this service itself: a limit, or too few instances.' }
  { name: 'tenants-refused', event: 'tenants_refused', threshold: 0, severity: 1, text: 'The tenants file is not valid: a key taken out still works.' }
  { name: 'bug', event: 'internal_error', threshold: 0, severity: 1, text: 'A bug: the line has its stack.' }
]

resource byLine 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for each in events: {
    name: 'alert-${each.name}-${token}'
    location: location
    tags: tags
    properties: {
      displayName: each.name
      description: each.text
      enabled: true
      severity: each.severity
      scopes: [insightsId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: 'traces | where message has \'"event":"${each.event}"\''
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: each.threshold
          }
        ]
      }
      actions: empty(email) ? {} : { actionGroups: [people.id] }
    }
  }
]

// The sweeper fires every few seconds: silence means that its timer, or all of the app, is down.
resource silence 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: 'alert-sweeper-silent-${token}'
  location: location
  tags: tags
  properties: {
    displayName: 'sweeper-silent'
    description: 'The sweep has not run for 15 minutes (it should every ${sweepSeconds} s): start the app again, look at its storage account.'
    enabled: true
    severity: 1
    scopes: [insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: 'requests | where name == "sweep"'
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
        }
      ]
    }
    actions: empty(email) ? {} : { actionGroups: [people.id] }
  }
}
