// `holdfast peers`: the nodes that this node knows.

import type { Command } from 'commander'
import { openSession, typedCommand, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { noPeers, peersText } from './status.ts'

export function addPeersCommand(program: Command, cli: Cli): void {
  const command = program.command('peers').description('list the nodes that this node knows')
  withExamples(command, ['peers', 'peers --json']).action(async () => {
    const { client, print, home } = openSession(cli, command)
    const { peers } = await client.call('peers', {})
    print({ peers }, peers.length === 0 ? noPeers(typedCommand(cli, home)) : peersText(peers))
  })
}
