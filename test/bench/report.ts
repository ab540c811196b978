// The figures as a table: for people, for the README, and as data.

import type { Figures } from './figures.ts'
import { machineLine, type Machine } from './machine.ts'
import { toolNames, type ToolName } from './options.ts'
import type { Aim, Row, Unit } from './rows.ts'

export interface Report {
  readonly machine: Machine
  /** What was compared; a tool that is missing has no version. */
  readonly versions: Readonly<Partial<Record<ToolName, string>>>
  readonly rows: readonly Row[]
  readonly figures: Figures
  readonly isQuick: boolean
  readonly repeats: number
}

type Cells = readonly string[]

const header: Cells = ['work', 'Syncthing', 'rsync', 'Holdfast', 'ratio', 'aim', 'met?']
const columnGap = '  '

/** Aligned columns with every row that has a figure. */
export function peopleTable(report: Report): string {
  const lines = [header, ...measuredRows(report, false).map((row) => cellsOf(report, row))]
  const widths = header.map((_, column) => Math.max(...lines.map((cells) => [...(cells[column] ?? '')].length)))
  const text = lines.map((cells) =>
    cells
      .map((cell, column) => alignCell(cell, column, widths[column] ?? 0))
      .join(columnGap)
      .trimEnd(),
  )
  return [
    ...preamble(report),
    '',
    text[0],
    '-'.repeat(sumOf(widths) + columnGap.length * (widths.length - 1)),
    ...text.slice(1),
    ...failureLines(report),
  ].join('\n')
}

/** The README's table: the main rows only. */
export function markdownTable(report: Report): string {
  const line = (cells: Cells) => `| ${cells.join(' | ')} |`
  const rule = '|---|---:|---:|---:|---:|---|---|'
  const rows = measuredRows(report, true).map((row) => line(cellsOf(report, row)))
  return [...preamble(report), '', line(header), rule, ...rows, ...failureLines(report)].join('\n')
}

/** Every value of every repeat, in base units: seconds, bytes, milliseconds as the row's `unit` says. */
export function jsonReport(report: Report): string {
  const rows = measuredRows(report, false).map((row) => ({
    key: row.key,
    work: row.work,
    unit: row.unit,
    values: report.figures.values(row.key),
    medians: Object.fromEntries(
      toolNames.flatMap((tool) => {
        const value = report.figures.median(tool, row.key)
        return value === undefined ? [] : [[tool, value]]
      }),
    ),
    aims: row.aims.map((aim) => ({ text: aim.text, met: isMet(report, row, aim) })),
  }))
  const { machine, versions, isQuick, repeats } = report
  return JSON.stringify({ schema: 1, machine, versions, isQuick, repeats, rows, failures: report.figures.failures }, undefined, 2)
}

function preamble(report: Report): readonly string[] {
  const versions = toolNames.map((tool) => `${displayNames[tool]} ${report.versions[tool] ?? 'not measured'}`).join(', ')
  const runs = report.repeats === 1 ? 'one run' : `medians of ${report.repeats} runs`
  const quick = report.isQuick ? ['Quick run: a tenth of the data. The aims are for all of it, so what is met here says little.'] : []
  return [`Machine: ${machineLine(report.machine)}`, `${versions}; ${runs}; two nodes on loopback`, ...quick]
}

const displayNames: Readonly<Record<ToolName, string>> = { syncthing: 'Syncthing', rsync: 'rsync', holdfast: 'Holdfast' }

function failureLines(report: Report): readonly string[] {
  const { failures } = report.figures
  return failures.length === 0
    ? []
    : ['', 'Not finished:', ...failures.map(({ tool, step, message }) => `- ${displayNames[tool]}, ${step}: ${message}`)]
}

function measuredRows(report: Report, mainOnly: boolean): readonly Row[] {
  return report.rows.filter(
    (row) => (row.isMain || !mainOnly) && toolNames.some((tool) => report.figures.median(tool, row.key) !== undefined),
  )
}

function cellsOf(report: Report, row: Row): Cells {
  const value = (tool: ToolName) => {
    const figure = report.figures.median(tool, row.key)
    return figure === undefined ? '' : formatFigure(figure, row.unit)
  }
  const met = row.aims.map((aim) => isMet(report, row, aim))
  return [
    row.work,
    value('syncthing'),
    value('rsync'),
    value('holdfast'),
    ratioText(report, row),
    row.aims.map((aim) => aim.text).join(', '),
    met.map((isYes) => (isYes === undefined ? '?' : isYes ? 'yes' : 'no')).join(', '),
  ]
}

/** What was measured and falls short of an aim, in words. */
export function missedAims(report: Report): readonly string[] {
  return report.rows.flatMap((row) =>
    row.aims.flatMap((aim) => (isMet(report, row, aim) === false ? [`${row.work}: ${cellsOf(report, row)[3]}, aim ${aim.text}`] : [])),
  )
}

/** Undefined when what it takes to say was not measured. */
function isMet(report: Report, row: Row, aim: Aim): boolean | undefined {
  const figure = report.figures.median('holdfast', row.key)
  if (figure === undefined) return undefined
  switch (aim.kind) {
    case 'atMost':
      return figure <= aim.max
    case 'atLeast':
      return figure >= aim.min
    case 'ratio': {
      const other = report.figures.median(aim.of, row.key)
      return other === undefined ? undefined : figure <= aim.max * other
    }
  }
}

/** Holdfast's figure against Syncthing's, or where only rsync did the work against rsync's. */
function ratioText(report: Report, row: Row): string {
  const holdfast = report.figures.median('holdfast', row.key)
  const compared = (['syncthing', 'rsync'] as const).flatMap((tool) => {
    const other = report.figures.median(tool, row.key)
    if (holdfast === undefined || holdfast === 0 || other === undefined || other === 0) return []
    const mark = tool === 'rsync' ? ' rsync' : ''
    return [(holdfast < other ? `1/${shortNumber(other / holdfast)}` : `${shortNumber(holdfast / other)} ×`) + mark]
  })
  const wanted = row.aims.some((aim) => aim.kind === 'ratio' && aim.of === 'rsync')
  return compared.slice(0, wanted ? 2 : 1).join(', ')
}

function shortNumber(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

const binarySteps = ['B', 'KiB', 'MiB', 'GiB'] as const
const decimalSteps = ['B/s', 'kB/s', 'MB/s', 'GB/s'] as const

function formatFigure(value: number, unit: Unit): string {
  switch (unit) {
    case 'seconds':
      return value < 1 ? `${(value * 1000).toFixed(0)} ms` : `${shortNumber(value)} s`
    case 'cpuSeconds':
      return `${shortNumber(value)} s`
    case 'milliseconds':
      return `${shortNumber(value)} ms`
    case 'bytes':
      return scaled(value, 1024, binarySteps)
    case 'count':
      return value.toFixed(0)
    case 'perSecond':
      return `${Math.round(value).toLocaleString('en')} /s`
    case 'bytesPerSecond':
      return scaled(value, 1000, decimalSteps)
    case 'times':
      return `${value.toFixed(2)} ×`
  }
}

function scaled(value: number, base: number, steps: readonly string[]): string {
  let rest = value
  let step = 0
  while (Math.abs(rest) >= base && step < steps.length - 1) {
    rest /= base
    step++
  }
  return `${step === 0 ? rest.toFixed(0) : shortNumber(rest)} ${steps[step] ?? ''}`
}

const rightAligned: ReadonlySet<number> = new Set([1, 2, 3, 4])

function alignCell(cell: string, column: number, width: number): string {
  const fill = ' '.repeat(Math.max(0, width - [...cell].length))
  return rightAligned.has(column) ? fill + cell : cell + fill
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
