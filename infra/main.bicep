// The whole service in one resource group. `azd up` passes the environment's name, its location and the person who
// deploys. Everything else has a default. One managed identity makes every connection: no account has keys that work.
targetScope = 'subscription'

import { deploymentType, existingAccountType } from 'modules/types.bicep'

@description('Names the environment, and with it the resource group.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of everything except the model deployments.')
param location string

@description('Region of the Foundry account: models differ by region.')
param modelLocation string = location

@description('Deployments to create in a new Foundry account; each joins the catalogue under its name. Empty: no deployments and no account.')
param deployments deploymentType[] = loadJsonContent('deployments.json')

@description('Existing Foundry accounts that the service may call.')
param existingAccounts existingAccountType[] = []

@description('serverless: paid by request. autoscale: paid by the hour, for steady load.')
@allowed(['serverless', 'autoscale'])
param cosmosCapacity string = 'serverless'

@description('Request units a second that each container scales up to; autoscale only.')
@minValue(1000)
param cosmosMaxThroughput int = 4000

@description('Memory of an instance, MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('The most instances of each group of functions (HTTP, each queue, each timer).')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 100

@description('HTTP requests that an instance takes at once, held calls included. It should be no less than MAX_REQUESTS_IN_FLIGHT and MAX_HELD_CALLS together.')
@minValue(16)
@maxValue(1000)
param httpConcurrency int = 1000

@description('HTTP instances that always run: 1 spares the first client a cold start.')
@minValue(0)
param alwaysReadyHttp int = 0

@description('Seconds between two sweeps.')
param sweepSeconds int = 15

@description('Data services by private endpoints only. Service Bus is then Premium.')
param vnet bool = false

@description('Spread over availability zones: the plan, storage, Cosmos DB.')
param zoneRedundant bool = false

@description('RollingUpdate replaces instances in batches; Recreate ends running calls, which run again.')
@allowed(['Recreate', 'RollingUpdate'])
param updateStrategy string = 'Recreate'

@description('Who gets alerts. Empty: alerts are only shown.')
param alertEmail string = ''

@description('SHA-256 (hex) of the first operator key. The postprovision script makes the key and keeps only this.')
param operatorKeySha256 string = ''

@description('Issuer and audience of Microsoft Entra access tokens; both or neither.')
param authIssuer string = ''
param authAudience string = ''

@description('Client id of the console\'s own application in Microsoft Entra. Empty: the console takes keys only.')
param consoleClientId string = ''

@description('Where traces and metrics go, by OTLP over HTTP: a collector. Empty: no telemetry.')
param otlpEndpoint string = ''

@description('The share of jobs that are traced, 0 to 1, as a text.')
param tracedShare string = '0.1'

var tags = { 'azd-env-name': environmentName }
var token = toLower(uniqueString(subscription().id, environmentName, location))

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module service 'modules/service.bicep' = {
  name: 'service'
  scope: group
  params: {
    location: location
    modelLocation: modelLocation
    tags: tags
    token: token
    deployments: deployments
    existingAccounts: existingAccounts
    cosmosCapacity: cosmosCapacity
    cosmosMaxThroughput: cosmosMaxThroughput
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReadyHttp: alwaysReadyHttp
    sweepSeconds: sweepSeconds
    vnet: vnet
    zoneRedundant: zoneRedundant
    updateStrategy: updateStrategy
    alertEmail: alertEmail
    operatorKeySha256: operatorKeySha256
    authIssuer: authIssuer
    authAudience: authAudience
    consoleClientId: consoleClientId
    otlpEndpoint: otlpEndpoint
    tracedShare: tracedShare
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = service.outputs.functionAppName
output SERVICE_URL string = service.outputs.url
@description('Deployments and their addresses, for the catalogue that the postprovision script writes.')
output CATALOGUE_DEPLOYMENTS array = service.outputs.catalogueDeployments
