// The function app on Flex Consumption. The one identity makes every connection.
param location string
param tags object
param token string
param identityId string
param clientId string
param storageName string
param packageContainerUrl string
param serviceBusHost string
param cosmosEndpoint string
param insightsConnectionString string
@description('Empty: no network of its own.')
param subnetId string
param instanceMemoryMB int
param maximumInstanceCount int
param httpConcurrency int
param alwaysReadyHttp int
param sweepSeconds int
param zoneRedundant bool
param updateStrategy string
param operatorKeySha256 string
param authIssuer string
param authAudience string
param consoleClientId string
param otlpEndpoint string
param tracedShare string

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true, zoneRedundant: zoneRedundant }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'switchyard' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: { minTlsVersion: '1.2', http20Enabled: true, ftpsState: 'Disabled' }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'node', version: '24' }
      #disable-next-line BCP037 // real, but not in these types yet
      siteUpdateStrategy: { type: updateStrategy }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyHttp == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyHttp }]
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
    }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(
      {
        AzureWebJobsStorage__accountName: storageName
        AzureWebJobsStorage__credential: 'managedidentity'
        AzureWebJobsStorage__clientId: clientId
        APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
        AZURE_CLIENT_ID: clientId
        AzureWebJobsDisableHomepage: 'true'
        SERVICEBUS__fullyQualifiedNamespace: serviceBusHost
        SERVICEBUS__credential: 'managedidentity'
        SERVICEBUS__clientId: clientId
        COSMOS__accountEndpoint: cosmosEndpoint
        COSMOS__clientId: clientId
        MODELS_FILE: 'models.azure.json'
        TENANTS_FILE: 'tenants.azure.json'
        SWEEP_SECONDS: string(sweepSeconds)
        // Files of 200 MB: the platform takes half of that unasked.
        FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '209715200'
      },
      {
        // The host takes 64 KB of headers. V8's young generation: fewer collections, some 200 MB more.
        languageWorkers__node__arguments: instanceMemoryMB > 512
          ? '--min-semi-space-size=64 --max-semi-space-size=64 --max-http-header-size=65536'
          : '--max-http-header-size=65536'
      },
      empty(operatorKeySha256) ? {} : { OPERATOR_KEY_SHA256: operatorKeySha256 },
      empty(authIssuer) ? {} : { AUTH_ISSUER: authIssuer, AUTH_AUDIENCE: authAudience },
      empty(consoleClientId) ? {} : { CONSOLE_CLIENT_ID: consoleClientId },
      empty(otlpEndpoint)
        ? {}
        : { OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint, OTEL_TRACES_SAMPLER_ARG: tracedShare }
    )
  }
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
