import ts from 'typescript';
import { projectRoot } from '../../dev/stack/paths.ts';

/** One log call of the module: its constant message, and the names of the fields that may come with it, sorted. */
export interface LogCall {
  level: string;
  message: string;
  fields: string[];
}

const LEVELS = ['debug', 'info', 'warn', 'error'];

/**
 * Finds every call of a logger in src/ with the compiler. Throws for a message that is no constant and for fields whose
 * names the compiler cannot tell.
 */
export function logCalls(): LogCall[] {
  const config = ts.getParsedCommandLineOfConfigFile(
    `${projectRoot}/tsconfig.json`,
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (problem) => {
        throw new Error(ts.flattenDiagnosticMessageText(problem.messageText, '\n'));
      },
    },
  );
  const program = ts.createProgram(config?.fileNames ?? [], config?.options ?? {});
  const checker = program.getTypeChecker();
  const found: LogCall[] = [];
  const visit = (node: ts.Node): void => {
    const call = ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) ? node : undefined;
    const callee = call?.expression as ts.PropertyAccessExpression | undefined;
    if (call && callee && LEVELS.includes(callee.name.text) && isLogger(checker, callee.expression)) {
      const [message, ...more] = call.arguments;
      if (!message || !ts.isStringLiteralLike(message) || more.length > 0) {
        throw new Error(`${where(call)}: the message of a log line must be one constant text: ${call.getText()}`);
      }
      const fields = [...new Set(fieldsOf(checker, callee.expression))].sort();
      found.push({ level: callee.name.text, message: message.text, fields });
    }
    ts.forEachChild(node, visit);
  };
  for (const file of program.getSourceFiles()) {
    if (!file.isDeclarationFile && file.fileName.startsWith(`${projectRoot}/src/`)) visit(file);
  }
  return found;
}

function isLogger(checker: ts.TypeChecker, expression: ts.Expression): boolean {
  return checker.getTypeAtLocation(expression).getProperty('withFields') !== undefined;
}

/** The fields that the functions around a logger have given it: `withFields`, or a function of ours that answers one. */
function fieldsOf(checker: ts.TypeChecker, expression: ts.Expression): string[] {
  if (ts.isIdentifier(expression)) {
    const variable = checker.getSymbolAtLocation(expression)?.valueDeclaration;
    const value = variable && ts.isVariableDeclaration(variable) ? variable.initializer : undefined;
    return value ? fieldsOf(checker, value) : [];
  }
  if (!ts.isCallExpression(expression)) return [];
  const [base, fields] = expression.arguments;
  if (expression.expression.getText() === 'withFields' && base && fields) {
    const type = checker.getTypeAtLocation(fields);
    if (type.getStringIndexType()) throw new Error(`${where(expression)}: the names of these fields are not constant`);
    return [...fieldsOf(checker, base), ...type.getProperties().map((property) => property.name)];
  }
  const declaration = checker.getResolvedSignature(expression)?.declaration;
  const body = declaration && ts.isFunctionDeclaration(declaration) ? declaration.body : undefined;
  const answer = body?.statements.find(ts.isReturnStatement)?.expression;
  if (!answer) throw new Error(`${where(expression)}: cannot tell which fields this logger has`);
  return fieldsOf(checker, answer);
}

function where(node: ts.Node): string {
  const file = node.getSourceFile();
  return `${file.fileName}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}
