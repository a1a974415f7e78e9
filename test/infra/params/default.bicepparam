using '../../../infra/main.bicep'

// What `azd up` gives, and nothing else.
param environmentName = 'first'
param location = 'swedencentral'
