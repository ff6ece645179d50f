/**
 * Types that Windmill knows by name. Its parser of scripts looks at the name of a parameter's type, not at what it is: a
 * parameter `file: Base64` is shown as a file, `body: Email` as an address, `query: Sql` as SQL, and one of another name that
 * the script does not declare itself, such as `db: Postgresql`, as a resource of type `postgresql`.
 *
 * @module
 */

/** Bytes as text, in base 64. */
export type Base64 = string;

/** A statement of SQL. */
export type Sql = string;

/** An e-mail address. */
export type Email = string;

/** Value of a `postgresql` resource. */
export type Postgresql = {
  host: string;
  port?: number;
  user: string;
  password: string;
  dbname: string;
  /** One of `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`. */
  sslmode?: string;
  root_certificate_pem?: string;
  /** Region of AWS, for `use_iam_auth`. */
  region?: string;
  use_iam_auth?: boolean;
};

/** Value of a `mysql` resource. */
export type Mysql = {
  host: string;
  port?: number;
  user: string;
  password: string;
  database: string;
  ssl?: boolean;
  root_certificate_pem?: string;
};

/** Value of a `ms_sql_server` resource. */
export type MsSqlServer = {
  host: string;
  port?: number;
  user?: string;
  password?: string;
  dbname: string;
  instance_name?: string;
  integrated_auth?: boolean;
  /** Token of Microsoft Entra. */
  aad_token?: { token?: string };
  encrypt?: boolean;
  trust_cert?: boolean;
  ca_cert?: string;
};

/** Value of a `snowflake` resource. */
export type Snowflake = {
  account_identifier: string;
  username: string;
  private_key: string;
  public_key: string;
  warehouse?: string;
  database?: string;
  schema?: string;
  role?: string;
};

/** Value of a `gcp_service_account` or `bigquery` resource: the key file that Google gives. */
export type GcpServiceAccount = {
  type: string;
  project_id: string;
  private_key_id: string;
  private_key: string;
  client_email: string;
  client_id: string;
  auth_uri: string;
  token_uri: string;
  auth_provider_x509_cert_url: string;
  client_x509_cert_url: string;
};

/** Value of a `mongodb` resource. */
export type Mongodb = {
  db: string;
  tls?: boolean;
  servers: { host: string; port?: number }[];
  credential: { username: string; password: string; db: string; mechanism?: string };
};

/** Value of an `s3` resource. */
export type S3 = {
  bucket: string;
  region: string;
  /** Host, without the protocol. */
  endPoint: string;
  port?: number;
  useSSL: boolean;
  pathStyle: boolean;
  accessKey?: string;
  secretKey?: string;
  /** Session token. */
  token?: string;
};

/** Value of an `smtp` resource. */
export type Smtp = { host: string; port?: number; user?: string; password?: string };

/** Value of a `slack` resource. */
export type Slack = { token: string };

/** Value of a `kafka` resource. */
export type Kafka = { brokers: string[]; security?: unknown };

/** Value of a `nats` resource. */
export type Nats = { servers: string[]; auth?: unknown; require_tls?: boolean };

/** Value of an `mqtt` resource. */
export type Mqtt = {
  broker: string;
  port: number;
  credentials?: { username?: string; password?: string };
  tls?: {
    enabled: boolean;
    ca_certificate?: string;
    pkcs12_client_certificate?: string;
    pkcs12_certificate_password?: string;
  };
};

/**
 * Values of resources by the name of their type, of those that most workspaces have. A program adds its own:
 *
 * ```ts ignore
 * declare module "@windkit/windmill-client" {
 *   interface ResourceTypes {
 *     c_warehouse: { url: string; key: string };
 *   }
 * }
 * ```
 */
export interface ResourceTypes {
  /** PostgreSQL. */
  postgresql: Postgresql;
  /** MySQL. */
  mysql: Mysql;
  /** Microsoft SQL Server. */
  ms_sql_server: MsSqlServer;
  /** Snowflake. */
  snowflake: Snowflake;
  /** BigQuery. */
  bigquery: GcpServiceAccount;
  /** A service account of Google Cloud. */
  gcp_service_account: GcpServiceAccount;
  /** MongoDB. */
  mongodb: Mongodb;
  /** S3 and what speaks like it. */
  s3: S3;
  /** Keys of AWS. */
  aws: { region: string; awsAccessKeyId: string; awsSecretAccessKey: string };
  /** Azure Blob Storage. */
  azure_blob: { accountName: string; containerName: string; accessKey?: string; endpoint?: string; useSSL?: boolean };
  /** A server that sends mail. */
  smtp: Smtp;
  /** Slack. */
  slack: Slack;
  /** An incoming webhook of Discord. */
  discord_webhook: { webhook_url: string };
  /** An incoming webhook of Microsoft Teams. */
  ms_teams_webhook: { webhook_url: string };
  /** GitHub. */
  github: { token: string };
  /** GitLab. */
  gitlab: { token: string; baseUrl: string };
  /** Gmail. */
  gmail: { token: string };
  /** Google Sheets. */
  gsheets: { token: string };
  /** Google Drive. */
  gdrive: { token: string };
  /** Stripe. */
  stripe: { token: string };
  /** OpenAI. */
  openai: { api_key: string; organization_id?: string; base_url?: string };
  /** Anthropic. */
  anthropic: { apiKey: string; base_url?: string };
  /** Kafka. */
  kafka: Kafka;
  /** NATS. */
  nats: Nats;
  /** MQTT. */
  mqtt: Mqtt;
}

/**
 * Value of a resource, by the name of its type: `Resource<"postgresql">`. A name that {@linkcode ResourceTypes} lacks gives
 * `unknown`, where the official client gives `any`. Windmill shows a parameter of this type as a resource of that type.
 */
export type Resource<Name extends string> = Name extends keyof ResourceTypes ? ResourceTypes[Name] : unknown;
