// All resources of one environment, in the order in which they need each other.
import { deploymentType, existingAccountType } from 'types.bicep'

param location string
param modelLocation string
param tags object
param token string
param deployments deploymentType[]
param existingAccounts existingAccountType[]
param cosmosCapacity string
param cosmosMaxThroughput int
param instanceMemoryMB int
param maximumInstanceCount int
param httpConcurrency int
param alwaysReadyHttp int
param sweepSeconds int
param vnet bool
param zoneRedundant bool
param updateStrategy string
param alertEmail string
param operatorKeySha256 string
param authIssuer string
param authAudience string
param consoleClientId string
param otlpEndpoint string
param tracedShare string

// Made first, so that nothing waits for the app's own identity.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${token}'
  location: location
  tags: tags
}

module network 'network.bicep' = if (vnet) {
  name: 'network'
  params: { location: location, tags: tags, token: token }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  params: { location: location, tags: tags, token: token, principalId: identity.properties.principalId }
}

module storage 'storage.bicep' = {
  name: 'storage'
  params: {
    location: location
    tags: tags
    token: token
    principalId: identity.properties.principalId
    vnet: vnet
    zoneRedundant: zoneRedundant
  }
}

module serviceBus 'service-bus.bicep' = {
  name: 'service-bus'
  params: {
    location: location
    tags: tags
    token: token
    principalId: identity.properties.principalId
    vnet: vnet
  }
}

module cosmos 'cosmos.bicep' = {
  name: 'cosmos'
  params: {
    location: location
    tags: tags
    token: token
    principalId: identity.properties.principalId
    capacity: cosmosCapacity
    maxThroughput: cosmosMaxThroughput
    vnet: vnet
    zoneRedundant: zoneRedundant
  }
}

module foundry 'foundry.bicep' = if (!empty(deployments)) {
  name: 'foundry'
  params: {
    location: modelLocation
    tags: tags
    token: token
    principalId: identity.properties.principalId
    deployments: deployments
    vnet: vnet
  }
}

module existing 'existing-account.bicep' = [
  for account in existingAccounts: {
    name: 'existing-${account.name}'
    scope: resourceGroup(account.resourceGroup)
    params: { name: account.name, principalId: identity.properties.principalId }
  }
]

module endpoints 'endpoints.bicep' = if (vnet) {
  name: 'endpoints'
  params: {
    location: location
    tags: tags
    token: token
    subnetId: network!.outputs.endpointSubnetId
    networkId: network!.outputs.id
    targets: concat(
      [
        { name: 'blob', id: storage.outputs.id, group: 'blob', zone: 'privatelink.blob.${environment().suffixes.storage}' }
        { name: 'bus', id: serviceBus.outputs.id, group: 'namespace', zone: 'privatelink.servicebus.windows.net' }
        { name: 'cosmos', id: cosmos.outputs.id, group: 'Sql', zone: 'privatelink.documents.azure.com' }
      ],
      empty(deployments)
        ? []
        : [{ name: 'foundry', id: foundry!.outputs.id, group: 'account', zone: 'privatelink.services.ai.azure.com' }]
    )
  }
}

module app 'app.bicep' = {
  name: 'app'
  params: {
    location: location
    tags: tags
    token: token
    identityId: identity.id
    clientId: identity.properties.clientId
    storageName: storage.outputs.name
    packageContainerUrl: storage.outputs.packageContainerUrl
    serviceBusHost: serviceBus.outputs.host
    cosmosEndpoint: cosmos.outputs.endpoint
    insightsConnectionString: monitoring.outputs.connectionString
    subnetId: vnet ? network!.outputs.appSubnetId : ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReadyHttp: alwaysReadyHttp
    sweepSeconds: sweepSeconds
    zoneRedundant: zoneRedundant
    updateStrategy: updateStrategy
    operatorKeySha256: operatorKeySha256
    authIssuer: authIssuer
    authAudience: authAudience
    consoleClientId: consoleClientId
    otlpEndpoint: otlpEndpoint
    tracedShare: tracedShare
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    tags: tags
    token: token
    email: alertEmail
    insightsId: monitoring.outputs.id
    serviceBusId: serviceBus.outputs.id
    cosmosId: cosmos.outputs.id
    sweepSeconds: sweepSeconds
  }
}

module workbook 'workbook.bicep' = {
  name: 'workbook'
  params: { location: location, tags: tags, insightsId: monitoring.outputs.id }
}

output functionAppName string = app.outputs.name
output url string = app.outputs.url
output catalogueDeployments array = empty(deployments) ? [] : foundry!.outputs.catalogueDeployments
