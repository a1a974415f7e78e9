using 'main.bicep'

// What `azd` knows, and what `azd env set NAME VALUE` can change. Every other parameter has its default in main.bicep.
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'switchyard')
param location = readEnvironmentVariable('AZURE_LOCATION', 'swedencentral')
param modelLocation = readEnvironmentVariable('SWITCHYARD_MODEL_LOCATION', readEnvironmentVariable('AZURE_LOCATION', 'swedencentral'))
param alertEmail = readEnvironmentVariable('SWITCHYARD_ALERT_EMAIL', '')
param operatorKeySha256 = readEnvironmentVariable('OPERATOR_KEY_SHA256', '')
param vnet = bool(readEnvironmentVariable('SWITCHYARD_VNET', 'false'))
param zoneRedundant = bool(readEnvironmentVariable('SWITCHYARD_ZONE_REDUNDANT', 'false'))
param cosmosCapacity = any(readEnvironmentVariable('SWITCHYARD_COSMOS_CAPACITY', 'serverless'))
param cosmosMaxThroughput = int(readEnvironmentVariable('SWITCHYARD_COSMOS_MAX_THROUGHPUT', '4000'))
param instanceMemoryMB = any(int(readEnvironmentVariable('SWITCHYARD_INSTANCE_MEMORY_MB', '2048')))
param maximumInstanceCount = int(readEnvironmentVariable('SWITCHYARD_MAXIMUM_INSTANCES', '100'))
param alwaysReadyHttp = int(readEnvironmentVariable('SWITCHYARD_ALWAYS_READY_HTTP', '0'))
param updateStrategy = any(readEnvironmentVariable('SWITCHYARD_UPDATE_STRATEGY', 'Recreate'))
param authIssuer = readEnvironmentVariable('AUTH_ISSUER', '')
param authAudience = readEnvironmentVariable('AUTH_AUDIENCE', '')
