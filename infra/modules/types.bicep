@export()
@description('A model deployment, and what the catalogue says of it.')
type deploymentType = {
  @description('The name of the deployment in Foundry, and in the catalogue.')
  name: string
  @description('The publisher as Foundry names it: OpenAI, xAI, DeepSeek, Anthropic, …')
  format: string
  model: string
  version: string
  sku: string
  @description('For OpenAI thousands of tokens a minute; for others as Foundry counts.')
  @minValue(1)
  capacity: int
  @description('The lab, as the catalogue names it: openai, xai, deepseek, …')
  provider: string
  endpoints: string[]
  capabilities: string[]
  @description('Prices in USD for a million tokens. Check them against the price list of the day.')
  price: { inputPerMillion: string, outputPerMillion: string }
}

@export()
@description('A Foundry account that exists, in a resource group of this subscription.')
type existingAccountType = {
  name: string
  resourceGroup: string
}
