// `holdfast share`: makes an invitation.

import { Option } from 'commander'
import type { Command } from 'commander'
import type { Role } from '../../api/controls.ts'
import { openSession, typedProgram, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { folderArgument } from '../paths.ts'

interface ShareOptions {
  readonly role?: Role
}

export function addShareCommand(program: Command, cli: Cli): void {
  const command = program
    .command('share')
    .description('make a link with which one other node can join a folder')
    .argument('<folder>', 'a name, a path or the start of an id')
    .addOption(new Option('--role <role>', 'what the new member may do (write otherwise)').choices(['owner', 'write', 'host']))
  withExamples(command, ['share Photos', 'share Photos --role owner', 'share Photos --role host']).action(
    async (typed: string, { role }: ShareOptions) => {
      const { client, print, isWatched } = openSession(cli, command)
      const shared = await client.call('share', { folder: folderArgument(typed, cli), ...(role === undefined ? {} : { role }) })
      print(shared, shared.link)
      // On stderr, so that the link alone can go into a pipe.
      if (isWatched)
        cli.terminal.err(
          `\nOn the other machine:  ${typedProgram(cli.env)} join LINK${role === 'host' ? '' : ' PATH'}\nThe link works once and is a secret: whoever has it can join.\n`,
        )
    },
  )
}
