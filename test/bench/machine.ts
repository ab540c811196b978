// The machine that a table of figures comes from.

import { cpus, release, totalmem, type as systemName } from 'node:os'
import { fileSystemType } from './files.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  readonly fileSystem: string
  readonly node: string
}

export function describeMachine(workPath: string): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown CPU',
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${systemName()} ${release()}`,
    fileSystem: fileSystemType(workPath) ?? 'unknown file system',
    node: process.version,
  }
}

export function machineLine(machine: Machine): string {
  const memoryGib = Math.round(machine.memoryBytes / 2 ** 30)
  return `${machine.cpu}, ${machine.cores} cores, ${memoryGib} GiB, ${machine.system}, ${machine.fileSystem}, Node ${machine.node}`
}
