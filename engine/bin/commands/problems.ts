// `holdfast problems`: what is not as it should be, each with its next step.

import type { Command } from 'commander'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { problemsText } from './status.ts'

export function addProblemsCommand(program: Command, cli: Cli): void {
  const command = program.command('problems').description('list what is not as it should be, with the next step for each')
  withExamples(command, ['problems', 'problems --json']).action(async () => {
    const { client, print, speak } = openSession(cli, command)
    const { problems } = await client.call('problems', {})
    print({ problems }, problems.length === 0 ? 'No problems.' : problemsText(problems, speak))
  })
}
