/**
 * What a preprocessor gets: one event of a trigger, told apart by `kind`. Maps have texts as values unless said otherwise.
 *
 * @module
 */

/** Names and texts: headers, a query, attributes. */
export type TextMap = Readonly<Record<string, string>>;

/** A call of the webhook of a script or flow. */
export interface WebhookEvent {
  /** What triggered it. */
  readonly kind: "webhook";
  /** The body, decoded. */
  readonly body: unknown;
  /** The body as text, for bodies that are no JSON (base 64 if it is no UTF-8) or when the raw body was asked for; else null. */
  readonly raw_string: string | null;
  /** The query. */
  readonly query: TextMap;
  /** All headers of the request. */
  readonly headers: TextMap;
}

/** A call of an HTTP route. */
export interface HttpEvent {
  /** What triggered it. */
  readonly kind: "http";
  /** Path of the trigger. */
  readonly trigger_path: string;
  /** The body, decoded; `{}` for texts and bytes. */
  readonly body: unknown;
  /** The body as text, when the trigger asks for it or the body is no JSON; else null. */
  readonly raw_string: string | null;
  /** The route's pattern, such as `orders/:id`. */
  readonly route: string;
  /** The path that was called. */
  readonly path: string;
  /** The method. */
  readonly method: "get" | "post" | "put" | "delete" | "patch";
  /** What the pattern's parameters are. */
  readonly params: TextMap;
  /** The query. */
  readonly query: TextMap;
  /** The headers. */
  readonly headers: TextMap;
}

/** A message of a WebSocket. */
export interface WebsocketEvent {
  /** What triggered it. */
  readonly kind: "websocket";
  /** Path of the trigger. */
  readonly trigger_path: string;
  /** The message. */
  readonly msg: string;
  /** Where it came from. */
  readonly url: string;
}

/** A record of Kafka. */
export interface KafkaEvent {
  /** What triggered it. */
  readonly kind: "kafka";
  /** Path of the trigger: what `commitKafkaOffsets` takes. */
  readonly trigger_path: string;
  /** The record's value, in base 64. */
  readonly payload: string;
  /** The brokers. */
  readonly brokers: readonly string[];
  /** Its topic. */
  readonly topic: string;
  /** Its partition. */
  readonly partition: number;
  /** Its offset; above 2^53 the number is not exact. */
  readonly offset: number;
  /** The consumer group. */
  readonly group_id: string;
}

/** An attachment of a mail: text, or an S3 object for bytes. */
export interface EmailAttachment {
  /** Its headers. */
  readonly headers: TextMap;
  /** Its content. */
  readonly body: string | { readonly s3: string };
}

/** A mail. */
export interface EmailEvent {
  /** What triggered it. */
  readonly kind: "email";
  /** Path of the trigger. */
  readonly trigger_path: string;
  /** The mail in parts. */
  readonly parsed_email: {
    /** The headers; what they hold depends on the header. */
    readonly headers: Readonly<Record<string, unknown>>;
    /** The text. */
    readonly text_body: string;
    /** The HTML. */
    readonly html_body: string;
    /** The attachments. */
    readonly attachments: readonly EmailAttachment[];
  };
  /** The mail as it came; an S3 object above 1 MiB. */
  readonly raw_email: string | { readonly s3: string };
  /** What the address carried behind its name. */
  readonly email_extra_args?: TextMap | null;
}

/** A message of NATS. */
export interface NatsEvent {
  /** What triggered it. */
  readonly kind: "nats";
  /** Path of the trigger. */
  readonly trigger_path: string;
  /** The message, in base 64. */
  readonly payload: string;
  /** The servers. */
  readonly servers: readonly string[];
  /** Its subject. */
  readonly subject: string;
  /** Its headers. */
  readonly headers?: Readonly<Record<string, readonly string[]>> | null;
  /** Its status. */
  readonly status?: number | null;
  /** What the status means. */
  readonly description?: string | null;
  /** How many bytes it has. */
  readonly length: number;
}

/** A change in a PostgreSQL database. */
export interface PostgresEvent {
  /** What triggered it. */
  readonly kind: "postgres";
  /** Path of the trigger. */
  readonly trigger_path: string;
  /** What was done. */
  readonly transaction_type: "insert" | "update" | "delete";
  /** Schema of the table. */
  readonly schema_name: string;
  /** The table. */
  readonly table_name: string;
  /** The row. */
  readonly row: Readonly<Record<string, unknown>>;
  /** The row before; null unless the table's replica identity provides it. */
  readonly old_row?: Readonly<Record<string, unknown>> | null;
}

/** A message of Amazon SQS. */
export interface SqsEvent {
  /** What triggered it. */
  readonly kind: "sqs";
  /** Path of the trigger. */
  readonly trigger_path: string;
  /** The message, as it came. */
  readonly msg: string;
  /** The queue. */
  readonly queue_url: string;
  /** Its id. */
  readonly message_id?: string | null;
  /** What deletes it. */
  readonly receipt_handle?: string | null;
  /** Attributes of the system. */
  readonly attributes: TextMap;
  /** Attributes of the sender. */
  readonly message_attributes?:
    | Readonly<Record<string, { readonly string_value?: string | null; readonly data_type: string }>>
    | null;
}

/** What MQTT 5 adds to a message. */
export interface MqttProperties {
  /** 1 says that the payload is UTF-8. */
  readonly payload_format_indicator?: number | null;
  /** Number in place of the topic. */
  readonly topic_alias?: number | null;
  /** Where an answer goes. */
  readonly response_topic?: string | null;
  /** What an answer repeats, byte by byte. */
  readonly correlation_data?: readonly number[] | null;
  /** Names and texts of the sender. */
  readonly user_properties?: readonly (readonly [string, string])[] | null;
  /** The subscriptions that it matched. */
  readonly subscription_identifiers?: readonly number[] | null;
  /** Kind of the payload. */
  readonly content_type?: string | null;
}

/** A message of MQTT. */
export interface MqttEvent {
  /** What triggered it. */
  readonly kind: "mqtt";
  /** Path of the trigger. */
  readonly trigger_path: string;
  /** The message, in base 64. */
  readonly payload: string;
  /** Its topic. */
  readonly topic: string;
  /** Whether the broker had kept it. */
  readonly retain: boolean;
  /** Its packet id. */
  readonly pkid: number;
  /** Quality of service. */
  readonly qos: 0 | 1 | 2;
  /** What version 5 adds; null for version 3. */
  readonly v5?: MqttProperties | null;
}

/** A message of Google Cloud Pub/Sub. */
export interface GcpEvent {
  /** What triggered it. */
  readonly kind: "gcp";
  /** Path of the trigger. */
  readonly trigger_path: string;
  /** The message, in base 64. */
  readonly payload: string;
  /** Its id. */
  readonly message_id: string;
  /** The subscription. */
  readonly subscription: string;
  /** What orders it. */
  readonly ordering_key?: string | null;
  /** Its attributes. */
  readonly attributes?: TextMap | null;
  /** How it came. */
  readonly delivery_type: "push" | "pull";
  /** Headers of the request, when it was pushed. */
  readonly headers?: TextMap | null;
  /** When it was published, as RFC 3339 says. */
  readonly publish_time?: string | null;
  /** What acknowledges it, when it was pulled. */
  readonly ack_id?: string | null;
}

/** An event of Azure Event Grid, in the form of CloudEvents 1.0. */
export interface AzureEvent {
  /** What triggered it. */
  readonly kind: "azure";
  /** Path of the trigger; absent when the event was pulled. */
  readonly trigger_path?: string;
  /** The event's data as it is, or the text of `data_base64`. */
  readonly payload: unknown;
  /** Its id. */
  readonly id: string;
  /** Where it happened. */
  readonly source: string;
  /** What happened. */
  readonly type: string;
  /** To what. */
  readonly subject?: string | null;
  /** When. */
  readonly time?: string | null;
  /** Version of CloudEvents. */
  readonly specversion?: string | null;
  /** Kind of the data. */
  readonly datacontenttype?: string | null;
  /** Schema of the data. */
  readonly dataschema?: string | null;
  /** How it came. */
  readonly delivery_type: "push" | "pull";
  /** Headers of the request, when it was pushed. */
  readonly headers?: TextMap | null;
  /** What acknowledges it, when it was pulled. */
  readonly lock_token?: string | null;
}

/** A message of AMQP. */
export interface AmqpEvent {
  /** What triggered it. */
  readonly kind: "amqp";
  /** Path of the trigger. */
  readonly trigger_path: string;
  /** The message, in base 64. */
  readonly payload: string;
  /** The exchange. */
  readonly exchange: string;
  /** Its routing key. */
  readonly routing_key: string;
  /** The queue. */
  readonly queue_name: string;
  /** Whether it was delivered before. */
  readonly redelivered: boolean;
  /** What acknowledges it. */
  readonly delivery_tag: number;
}

/** An event of any kind. */
export type PreprocessorEvent =
  | WebhookEvent
  | HttpEvent
  | WebsocketEvent
  | KafkaEvent
  | EmailEvent
  | NatsEvent
  | PostgresEvent
  | SqsEvent
  | MqttEvent
  | GcpEvent
  | AzureEvent
  | AmqpEvent;

/** The kinds of events. */
export type PreprocessorKind = PreprocessorEvent["kind"];

/** An event of one kind: `EventOf<"kafka">`. */
export type EventOf<Kind extends PreprocessorKind> = Extract<PreprocessorEvent, { readonly kind: Kind }>;

/** An event whose payload is in base 64. */
export type PayloadEvent = EventOf<"kafka" | "nats" | "mqtt" | "gcp" | "amqp">;
