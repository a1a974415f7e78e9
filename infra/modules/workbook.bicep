// One page: jobs, calls, waits and the sweeper, from the app's own lines.
param location string
param tags object
param insightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'switchyard-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Switchyard'
    category: 'workbook'
    sourceId: insightsId
    serializedData: loadTextContent('../workbook.json')
  }
}
