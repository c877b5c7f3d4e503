// Who may see what, as the edge's functions read it: the document of docs/auth.md, typed. What comes in is camelCase and comes
// from a program, or TOML from a file; what goes out is the document with the origins of this deployment, as TOML.
import { readFileSync } from 'node:fs';
import { parse, stringify, type TomlTable } from 'smol-toml';
import { BuildError } from './artifacts.ts';

export interface AccessRule {
  /** A template such as `/users/{sub}/*`; the first that matches decides. */
  readonly path: string;
  /** Any one of these suffices. */
  readonly allow: readonly ('public' | 'token' | 'signed-url' | 'jwt')[];
  /** Whose JWTs are good here. Default: those of every issuer. */
  readonly issuers?: readonly string[];
  /** Whether answers are private although `allow` is public. */
  readonly private?: boolean;
  /** Seconds for which viewers and CloudFront may keep an answer. Default: as the transformer says. */
  readonly maxAge?: number;
  /** Seconds for which CloudFront may keep an answer. Default: as for viewers. */
  readonly sMaxage?: number;
  /** Seconds for which an old answer may be given while a new one is fetched. */
  readonly staleWhileRevalidate?: number;
  /** Seconds for which an old answer may be given when the origin fails. */
  readonly staleIfError?: number;
}

export interface AccessIssuer {
  /** Compared with `iss`, byte for byte. */
  readonly issuer: string;
  /** Whom the tokens must be meant for. */
  readonly audiences: readonly string[];
  /** Cognito writes the audience of its access tokens in another claim. */
  readonly kind?: 'oidc' | 'cognito';
  /** Where the issuer publishes its keys. Default: they are in the keys' file. */
  readonly jwksUri?: string;
  /** For Cognito: which of its two kinds of token are good. */
  readonly tokenUse?: readonly ('id' | 'access')[];
}

export interface Access {
  readonly rules: readonly AccessRule[];
  /** Shared tokens are taken from this cookie, too. */
  readonly tokenCookie?: string;
  /** JWTs are taken from this cookie, too. */
  readonly jwtCookie?: string;
  readonly issuers?: readonly AccessIssuer[];
}

/** A user pool whose tokens are good. Both ids are packaged, so they must be known at synthesis. */
export interface UserPool {
  readonly userPoolId: string;
  readonly userPoolClientId: string;
  readonly region: string;
}

/** Where the edge sends requests: docs/edge.md, `[origins]`. */
export interface Origins {
  readonly originals: 'strip' | 'direct';
  readonly files: readonly string[];
  readonly transformer: OriginTarget;
  readonly storage?: OriginTarget | undefined;
}

export interface OriginTarget {
  readonly service: 'lambda' | 's3-object-lambda' | 's3' | 'none';
  readonly domain?: string;
  readonly region?: string;
  readonly path?: string;
  readonly readTimeoutSeconds?: number;
}

/** Everybody sees everything. */
export const PUBLIC: Access = { rules: [{ path: '/*', allow: ['public'] }] };

/** The rules of a file, which leaves the origins to the deployment. */
export function readRules(file: string): TomlTable {
  let read: TomlTable;
  try {
    read = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new BuildError(`${file}: ${(error as Error).message}`);
  }
  if ('origins' in read) throw new BuildError(`${file}: leave [origins] out, the deployment has its own`);
  return read;
}

/** The rules of a program, as a file would hold them. */
export function asRules({ rules, tokenCookie, jwtCookie, issuers = [] }: Access): TomlTable {
  return plain({
    rules: rules.map(plainRule),
    token: { cookie: tokenCookie },
    jwt: { cookie: jwtCookie, issuers: issuers.map(plainIssuer) },
  });
}

function plainRule({ maxAge, sMaxage, staleWhileRevalidate, staleIfError, ...rest }: AccessRule): TomlTable {
  const times = {
    max_age: maxAge,
    s_maxage: sMaxage,
    stale_while_revalidate: staleWhileRevalidate,
    stale_if_error: staleIfError,
  };
  return plain({ ...rest, ...times });
}

/** The rules, of which none is public: whoever asks was let in by something else than the edge. */
export function withoutPublic(rules: TomlTable): TomlTable {
  const list = (rules['rules'] ?? []) as TomlTable[];
  return { ...rules, rules: list.map((rule) => ({ ...rule, private: true })) };
}

/** Whether there are answers that viewer-response has to mark as private, by the document that is packaged. */
export function hasPrivate(document: string): boolean {
  const { rules } = JSON.parse(document) as { rules: { allow: string[]; private?: boolean }[] };
  return rules.some((rule) => rule.private || !rule.allow.includes('public'));
}

/** The whole document. */
export function edgeDocument(rules: TomlTable, origins: Origins, userPools: readonly UserPool[]): string {
  const jwt = (rules['jwt'] ?? {}) as TomlTable;
  const issuers = [...((jwt['issuers'] ?? []) as TomlTable[]), ...userPools.map(cognitoIssuer)];
  const { transformer, storage, ...rest } = origins;
  const document = {
    ...rules,
    jwt: { ...jwt, ...(issuers.length > 0 ? { issuers } : {}) },
    origins: { ...rest, transformer: plainTarget(transformer), storage: storage && plainTarget(storage) },
  };
  return stringify(plain(document));
}

function cognitoIssuer({ userPoolId, userPoolClientId, region }: UserPool): TomlTable {
  const issuer = `https://cognito-idp.${region}.amazonaws.com/${userPoolId}`;
  const jwksUri = `${issuer}/.well-known/jwks.json`;
  return plainIssuer({ issuer, audiences: [userPoolClientId], kind: 'cognito', jwksUri });
}

function plainIssuer({ jwksUri, tokenUse, ...rest }: AccessIssuer): TomlTable {
  return plain({ ...rest, jwks_uri: jwksUri, token_use: tokenUse });
}

function plainTarget({ readTimeoutSeconds, ...rest }: OriginTarget): TomlTable {
  return plain({ ...rest, read_timeout_seconds: readTimeoutSeconds });
}

/** Without what is undefined, which TOML has no word for. */
function plain(value: object): TomlTable {
  return JSON.parse(JSON.stringify(value)) as TomlTable;
}
