// What the documentation shows compiles against the SDK as it is. SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const pages = [path('../README.md'), path('../../README.md'), ...readdirSync(path('../../../docs')).filter((f) => f.endsWith('.md')).map((f) => path(`../../../docs/${f}`))];

/** Snippets that follow the quickstart use what it has made. */
const GIVEN = `import { ConclaveClient, type Room } from '@conclave/sdk';
declare const client: ConclaveClient;
declare const room: Room;
declare const password: string;
`;

function snippetsOf(page: string): Map<string, string> {
  const found = new Map<string, string>();
  const text = readFileSync(page, 'utf8');
  for (const match of text.matchAll(/^( *)```ts\n([\s\S]*?)^ *```$/gm)) {
    const line = text.slice(0, match.index).split('\n').length;
    const code = match[2]!;
    found.set(path(`./${page.split('/').pop()}-${line}.ts`), /const client =/.test(code) ? `declare const password: string;\n${code}` : `${GIVEN}${code}`);
  }
  return found;
}

function complaints(snippets: Map<string, string>): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    types: [],
    paths: { '@conclave/sdk': [path('../src/index.ts')] },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (file, version) => (snippets.has(file) ? ts.createSourceFile(file, snippets.get(file)!, version) : getSourceFile(file, version));
  host.fileExists = (file) => snippets.has(file) || fileExists(file);
  host.readFile = (file) => snippets.get(file) ?? readFile(file);
  const program = ts.createProgram([...snippets.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map((d) => `${d.file?.fileName.split('/').pop()}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`);
}

describe('the documentation', () => {
  const snippets = new Map(pages.flatMap((page) => [...snippetsOf(page)]));

  it('has a quickstart of the SDK, of at most 20 lines', () => {
    const [first] = [...snippetsOf(pages[0]!).values()];
    expect(first).toContain('new ConclaveClient');
    expect(first!.split('\n').filter((line) => line.trim()).length).toBeLessThanOrEqual(20);
  });

  it('shows only what compiles', { timeout: 60_000 }, () => {
    expect(complaints(snippets)).toEqual([]);
  });

  it('would not pass with a wrong one', { timeout: 60_000 }, () => {
    expect(complaints(new Map([[path('./wrong.ts'), `${GIVEN}room.attach('tile', 7);`]]))).toHaveLength(1);
  });
});
