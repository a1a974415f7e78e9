// Queues of infra/resources.json, the same file that the local stack reads.
import { roles } from 'roles.bicep'

param location string
param tags object
@minLength(13)
param token string
param principalId string
@description('Private endpoints need Premium.')
param vnet bool

var resources = loadJsonContent('../resources.json')
// "No time-out", as Service Bus writes it.
var forEver = 'P10675199DT2H48M5.4775807S'

resource namespace 'Microsoft.ServiceBus/namespaces@2026-01-01' = {
  name: 'sb-${token}'
  location: location
  tags: tags
  sku: vnet ? { name: 'Premium', tier: 'Premium', capacity: 1 } : { name: 'Standard', tier: 'Standard' }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: vnet ? 'Disabled' : 'Enabled'
  }

  resource queues 'queues' = [
    for queue in resources.service_bus.queues: {
      name: queue.name
      properties: {
        lockDuration: 'PT${queue.lock_duration_seconds}S'
        maxDeliveryCount: queue.max_delivery_count
        defaultMessageTimeToLive: queue.default_ttl_seconds == null ? forEver : 'PT${queue.default_ttl_seconds}S'
        requiresDuplicateDetection: queue.requires_duplicate_detection
        requiresSession: queue.requires_session
        deadLetteringOnMessageExpiration: queue.dead_lettering_on_expiration
      }
    }
  ]
}

resource owner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(namespace.id, principalId, roles.serviceBusDataOwner)
  scope: namespace
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.serviceBusDataOwner)
  }
}

output id string = namespace.id
output host string = '${namespace.name}.servicebus.windows.net'
