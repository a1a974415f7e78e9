// One account with a deployment of each lab's model. A person must accept Marketplace terms and raise quota: docs/azure.md.
import { roles } from 'roles.bicep'
import { deploymentType } from 'types.bicep'

param location string
param tags object
param token string
param principalId string
param deployments deploymentType[]
param vnet bool

resource account 'Microsoft.CognitiveServices/accounts@2025-06-01' = {
  name: 'ai-${token}'
  location: location
  tags: tags
  kind: 'AIServices'
  sku: { name: 'S0' }
  identity: { type: 'SystemAssigned' }
  properties: {
    // Microsoft Entra tokens are accepted only at a host of the account's own.
    customSubDomainName: 'ai-${token}'
    disableLocalAuth: true
    allowProjectManagement: true
    publicNetworkAccess: vnet ? 'Disabled' : 'Enabled'
  }

  resource project 'projects' = {
    name: 'switchyard'
    location: location
    tags: tags
    identity: { type: 'SystemAssigned' }
    properties: {}
  }
}

// One after the other: the account refuses two at once.
@batchSize(1)
resource models 'Microsoft.CognitiveServices/accounts/deployments@2025-06-01' = [
  for deployment in deployments: {
    parent: account
    name: deployment.name
    sku: { name: deployment.sku, capacity: deployment.capacity }
    properties: {
      model: { format: deployment.format, name: deployment.model, version: deployment.version }
      // The audit trail names a model, so the model must not be upgraded automatically.
      versionUpgradeOption: 'NoAutoUpgrade'
    }
  }
]

resource user 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, principalId, roles.cognitiveServicesUser)
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.cognitiveServicesUser)
  }
}

output id string = account.id
output catalogueDeployments array = [
  for deployment in deployments: union(deployment, {
    baseUrl: 'https://${account.properties.customSubDomainName}.services.ai.azure.com/openai/v1'
  })
]
