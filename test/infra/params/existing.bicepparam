using '../../../infra/main.bicep'

// No models of its own: the service calls accounts that are there already, with tokens of Microsoft Entra.
param environmentName = 'existing'
param location = 'westeurope'
param deployments = []
param existingAccounts = [
  { name: 'ai-of-team-a', resourceGroup: 'rg-team-a' }
  { name: 'ai-of-team-b', resourceGroup: 'rg-team-b' }
]
param instanceMemoryMB = 512
param authIssuer = 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0'
param authAudience = 'api://switchyard'
param consoleClientId = '11111111-1111-4111-8111-111111111111'
