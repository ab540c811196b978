// `holdfast retry`: what waits for its next try is tried now.

import type { Command } from 'commander'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { folderArgument } from '../paths.ts'

export function addRetryCommand(program: Command, cli: Cli): void {
  const command = program
    .command('retry')
    .description('try now what waits for its next try: paths, copies, and members that do not answer')
    .argument('[folder]', 'a name, a path or the start of an id; all otherwise')
  withExamples(command, ['retry', 'retry Photos']).action(async (typed: string | undefined) => {
    const { client, print } = openSession(cli, command)
    await client.call('retry', typed === undefined ? {} : { folder: folderArgument(typed, cli) })
    print({ retried: typed ?? 'all' }, 'It is tried again now; see holdfast status.')
  })
}
