// Database, containers and indexes of infra/resources.json, the same file that the local stack reads.
import { cosmosDataContributor } from 'roles.bicep'

param location string
param tags object
param token string
param principalId string
@allowed(['serverless', 'autoscale'])
param capacity string
param maxThroughput int
param vnet bool
param zoneRedundant bool

var resources = loadJsonContent('../resources.json').cosmos

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = {
  name: 'cosmos-${token}'
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: vnet ? 'Disabled' : 'Enabled'
    capabilities: capacity == 'serverless' ? [{ name: 'EnableServerless' }] : []
    consistencyPolicy: { defaultConsistencyLevel: resources.consistency }
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: zoneRedundant }]
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }

  resource database 'sqlDatabases' = {
    name: resources.database
    properties: { resource: { id: resources.database } }

    resource containers 'containers' = [
      for container in resources.containers: {
        name: container.name
        properties: {
          resource: {
            id: container.name
            defaultTtl: container.default_ttl_seconds
            partitionKey: {
              paths: container.partition_key
              kind: length(container.partition_key) > 1 ? 'MultiHash' : 'Hash'
              version: 2
            }
            indexingPolicy: {
              indexingMode: 'consistent'
              automatic: true
              includedPaths: map(container.indexing.included, path => { path: path })
              excludedPaths: map(container.indexing.excluded, path => { path: path })
              compositeIndexes: container.indexing.composite
            }
          }
          options: capacity == 'autoscale' ? { autoscaleSettings: { maxThroughput: maxThroughput } } : {}
        }
      }
    ]
  }

  resource contributor 'sqlRoleAssignments' = {
    name: guid(account.id, principalId, cosmosDataContributor)
    properties: {
      principalId: principalId
      roleDefinitionId: '${account.id}/sqlRoleDefinitions/${cosmosDataContributor}'
      scope: account.id
    }
  }
}

output id string = account.id
output endpoint string = account.properties.documentEndpoint
