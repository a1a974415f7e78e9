@export()
@description('Built-in roles by id: the least that each connection needs.')
var roles = {
  // The scale controller counts messages, which needs Manage; without it instances come one at a time.
  serviceBusDataOwner: '090c5cfd-751d-490a-894a-3ce6f1109419'
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  cognitiveServicesUser: 'a97b65f3-24c7-4388-baec-2e87135dc908'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

@export()
@description('Cosmos DB has roles of its own: read and write items, no management.')
var cosmosDataContributor = '00000000-0000-0000-0000-000000000002'
