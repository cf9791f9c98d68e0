/** Anything that goes wrong here. What an upstream answers is not this: the SDK throws that. */
export class SeawallError extends Error {}

/** The program `seawall` is not installed: no package for this platform, or optional dependencies were left out. */
export class BinaryMissing extends SeawallError {}

/** A gateway did not start. */
export class StartError extends SeawallError {
  /** The program's exit code: 3 for a configuration that is invalid, 4 for a port or a data directory that it cannot have. */
  readonly exitCode: number | null;
  /** The signal that ended it, if one did. */
  readonly signal: string | null;
  /** The last lines that the program wrote. */
  readonly lastWords: string;
}

/** A gateway ended while it was in use. */
export class GatewayDied extends SeawallError {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last lines that the program wrote. */
  readonly lastWords: string;
}

export interface GatewayOptions {
  /**
   * The API that it stands in front of, such as `https://example.openai.azure.com/openai/v1`; else what the variable
   * SEAWALL_UPSTREAM or the configuration says, else `https://api.openai.com/v1`. The key is the one that the client sends.
   */
  upstream?: string;
  /** A configuration file; else `./seawall.toml`, else the one in the user's configuration folder, as with `seawall serve`. */
  config?: string;
  /**
   * A folder that is this gateway's alone, for its record and what it learns. Without it the record is a file of its own in
   * the user's data folder, where `seawall failures` and the others find it, and any number of gateways may run.
   */
  dataDir?: string;
  /** Retries per request at most. */
  maxRetries?: number;
  /** Where it listens; 0, the default, is any port that is free. */
  port?: number;
  /** Where its admin side listens; 0, the default, is any port that is free. */
  adminPort?: number;
  /** Milliseconds that its start may take (20,000). */
  startTimeout?: number;
  /** Milliseconds that requests under way may go on at its end (5,000). */
  drain?: number;
  /** Variables for it, beside those of this process: keys that the configuration refers to. */
  env?: Record<string, string>;
  /** Is told each line of the program's log: JSON, without keys and prompts. */
  onLog?: (line: string) => void;
}

/** How a gateway ended. */
export interface Ended {
  exitCode: number | null;
  signal: string | null;
  /** What to throw, if it ended by itself; null if it was closed. */
  error: GatewayDied | null;
}

/** A gateway of this process. It does not keep the process going, and ends with it. */
export interface Gateway extends AsyncDisposable {
  /** Its address for clients, which ends in `/v1`. */
  readonly url: string;
  /** The address of its admin side: dashboard, metrics, health. */
  readonly adminUrl: string;
  readonly pid: number;
  /** Whether it runs. */
  readonly alive: boolean;
  /** Settles when it is over, however that came about; never rejects. */
  readonly ended: Promise<Ended>;
  /** The last lines that the program wrote, without its log if it wrote anything else. */
  readonly lastWords: string;
  /** Throws GatewayDied if it ended by itself. */
  check(): void;
  /** Ends it: requests under way may go on for `drain` milliseconds. May be called again. */
  close(): Promise<void>;
}

/** Starts a gateway for this program, on this machine alone. Rejects with StartError or BinaryMissing. */
export function gateway(options?: GatewayOptions): Promise<Gateway>;

/** What an error means. The words are those of `seawall explain --json`. */
export interface Explanation {
  /** What it was taken for, such as `http_response` or `node_exception`; null if nobody knows what it is. */
  readonly recognised: string | null;
  readonly status: number | null;
  /** `server_error`, `overloaded`, `rate_limited`, `quota`, `auth`, `caller_fault`, … */
  readonly class: string | null;
  readonly whose: 'provider' | 'network' | 'caller' | 'seawall' | null;
  /** Whether Seawall asks the same upstream again. */
  readonly retried: boolean | null;
  /** Whether it costs money. */
  readonly billed: 'no' | 'possibly' | 'yes' | null;
  /** One sentence. */
  readonly meaning: string | null;
  /** What to do, the most useful first. */
  readonly next: readonly string[];
  /** The id for the provider's support. */
  readonly request_id?: string;
  /** What the record knows of failures like it. */
  readonly evidence: readonly { readonly about: string; readonly says: string }[];
  /** All of it, for people. */
  toString(): string;
}

export interface ExplainOptions {
  /** Where the gateway keeps its record, if not where it does by default. */
  dataDir?: string;
  /** `false`: nothing is said of the record. */
  journal?: boolean;
}

/**
 * Says what an error means, whose fault it is, and what to do: an error of the openai SDK or of what it uses, or whatever
 * else is at hand, such as a status, a code, a request id, a line of a log.
 */
export function explain(error: unknown, options?: ExplainOptions): Promise<Explanation>;

/** The path of the program: what the variable SEAWALL_BINARY names, else that of the platform's package. Throws BinaryMissing. */
export function findBinary(): string;
