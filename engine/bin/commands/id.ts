// `holdfast id`: who this node is.

import type { Command } from 'commander'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { columnsText } from '../text.ts'

export function addIdCommand(program: Command, cli: Cli): void {
  const command = program.command('id').description('show who this node is and where it listens')
  withExamples(command, ['id', 'id --json']).action(async () => {
    const { client, print } = openSession(cli, command)
    const identity = await client.call('identity', {})
    const rows = [
      ['Name', identity.name],
      ['Peer id', identity.peerId],
      ...identity.addresses.map((address, at) => [at === 0 ? 'Addresses' : '', address]),
    ]
    print(identity, columnsText(rows))
  })
}
