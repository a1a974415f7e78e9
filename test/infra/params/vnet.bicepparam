using '../../../infra/main.bicep'

// Private endpoints, zones, autoscale, telemetry, and somebody to tell.
param environmentName = 'private'
param location = 'swedencentral'
param vnet = true
param zoneRedundant = true
param cosmosCapacity = 'autoscale'
param cosmosMaxThroughput = 10000
param alertEmail = 'ops@example.com'
param alwaysReadyHttp = 1
param otlpEndpoint = 'https://collector.example.com:4318'
param tracedShare = '0.05'
param updateStrategy = 'RollingUpdate'
param operatorKeySha256 = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
