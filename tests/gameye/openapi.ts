import Fastify from 'fastify';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { OPERATIONS, type Operation } from '../../dev/gameye/faults.ts';

/** The official document is not part of the project; without it the tests that need it are reported as skipped. */
const file = fileURLToPath(new URL('../../../shared/facts/gameye-session-api.openapi.yaml', import.meta.url));
export const hasDocument = existsSync(file);

interface Schema {
  $ref?: string;
  required?: string[];
  properties?: object;
}

interface DocumentOperation {
  operationId: Operation;
  responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
  requestBody?: { content: Record<string, { schema: Schema }> };
}

/** The official document, with validators of its schemas. */
export class ApiDocument {
  private readonly operations = new Map<Operation, DocumentOperation>();

  private constructor(
    paths: Record<string, Record<string, DocumentOperation>>,
    private readonly schemas: Record<string, Schema>,
    private readonly compile: (schema: object) => (value: unknown) => boolean,
  ) {
    for (const path of Object.values(paths)) {
      for (const operation of Object.values(path)) {
        if (OPERATIONS.includes(operation.operationId)) this.operations.set(operation.operationId, operation);
      }
    }
  }

  static async load(): Promise<ApiDocument> {
    const document = parse(readFileSync(file, 'utf8')) as {
      paths: never;
      components: { schemas: Record<string, Schema> };
    };
    // Fastify's own compiler, with the document's components as the schema that the references point into.
    const app = Fastify({
      ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, strict: false } },
    });
    app.addSchema({ $id: 'document', components: document.components });
    let compile: ((schema: object) => (value: unknown) => boolean) | undefined;
    app.post('/', { schema: { body: {} } }, (request, reply) => {
      compile = (schema) => (value) => request.compileValidationSchema(absolute(schema))(value) === true;
      void reply.send();
    });
    await app.inject({ method: 'POST', url: '/', payload: {} });
    return new ApiDocument(document.paths, document.components.schemas, compile!);
  }

  get operationIds(): Operation[] {
    return [...this.operations.keys()];
  }

  statuses(operation: Operation): number[] {
    return Object.keys(this.operations.get(operation)!.responses).map(Number);
  }

  /** The fields that the JSON body of a response must have, in alphabetical order. */
  requiredIn(operation: Operation, status: number): string[] | undefined {
    const { content } = this.operations.get(operation)!.responses[String(status)]!;
    return this.resolve(content?.['application/json']?.schema)?.required?.slice().sort();
  }

  /** The fields of a request's body, in alphabetical order; undefined when it has none. */
  bodyOf(operation: Operation): { required: string[]; optional: string[] } | undefined {
    const schema = this.resolve(this.operations.get(operation)!.requestBody?.content['application/json']?.schema);
    if (!schema) return undefined;
    const required = schema.required ?? [];
    const optional = Object.keys(schema.properties ?? {}).filter((field) => !required.includes(field));
    return { required: required.slice().sort(), optional: optional.sort() };
  }

  private resolve(schema: Schema | undefined): Schema | undefined {
    return schema?.$ref === undefined ? schema : this.schemas[schema.$ref.split('/').pop()!];
  }

  /** What is wrong with a response, as the document sees it; undefined when nothing is. */
  objection(operation: Operation, status: number, type: string, body: unknown): string | undefined {
    const response = this.operations.get(operation)!.responses[String(status)];
    if (!response) return `${operation} may not answer ${status}`;
    if (!response.content) return body === undefined ? undefined : `${operation} ${status} must have no body`;
    const mediaType = Object.keys(response.content).find((known) => type.startsWith(known));
    if (!mediaType) return `${operation} ${status} may not be "${type}"`;
    const { schema } = response.content[mediaType]!;
    if (!schema || this.compile(schema)(body)) return undefined;
    return `${operation} ${status} has a wrong body: ${JSON.stringify(body)}`;
  }

  acceptsBody(operation: Operation, body: unknown): boolean {
    return this.compile(this.operations.get(operation)!.requestBody!.content['application/json']!.schema)(body);
  }
}

function absolute(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/')) as object;
}
