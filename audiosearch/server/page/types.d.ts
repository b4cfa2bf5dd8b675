// What the HTTP API gives, and what the page's modules hand each other. Types only: never served.

export interface Word {
  word: string;
  lift: number | null;
  read_as?: string;
}

export interface FieldMatch {
  field: string;
  words: string[];
}

export interface Hit {
  rank: number;
  path: string;
  start_s: number;
  end_s: number;
  duration_s: number;
  recording_id: number;
  window_id?: number;
  score?: number | null;
  similarity?: number | null;
  lift?: number | null;
  caption?: string | null;
  offline?: boolean;
  also?: string[];
  matched?: FieldMatch[];
  words?: Word[];
  clock_start?: string | null;
  excluded?: { text: string; score: number }[];
  weak?: boolean;
}

export interface Answer {
  hits: Hit[];
  weaker?: Hit[];
  more?: number | null;
  remarks?: string[];
}

export interface Stretch {
  start_s: number;
  end_s: number;
}

/** A line of the list: a recording and the stretches of it that were found, best first. */
export interface Line {
  hit: Hit;
  moments: Hit[];
}

export interface CaptionedWindow {
  start_s: number;
  end_s: number;
  silent: boolean;
  caption: string | null;
}

export interface Annotation {
  /** Whose it is, where it is not everybody's. */
  user?: string;
  start_s: number;
  end_s: number | null;
  tags?: string[];
  rating?: number | null;
  favourite?: boolean;
  note?: string | null;
  collections?: string[];
}

/** What lines show of a recording. */
export interface Facts {
  recording_id: number;
  loudness_lufs: number | null;
  peak_db: number | null;
  tags: string[];
  tags_given: string[];
  rating: number | null;
  favourite: boolean;
  /** When it began by the recorder's clock, in ISO 8601, with an offset only where it is known. */
  recorded_at: string | null;
}

/** What is written of a recording, as the answer to each writing tells. */
export interface Written {
  tags_given: string[];
  rating: number | null;
  favourite: boolean;
  note: string | null;
  collections: string[];
  annotations: Annotation[];
}

export interface Details {
  recording_id: number;
  path: string;
  state?: string | null;
  offline?: boolean;
  changed?: boolean;
  remark?: string | null;
  size?: number;
  duration_s: number | null;
  container?: string | null;
  codec?: string | null;
  sample_rate?: number | null;
  channels?: number | null;
  bit_depth?: number | null;
  loudness_lufs?: number | null;
  peak_db?: number | null;
  tags?: string[];
  tags_given?: string[];
  rating?: number | null;
  favourite?: boolean;
  note?: string | null;
  collections?: string[];
  annotations?: Annotation[];
  metadata?: Record<string, string[]>;
  captions_given?: { start_s: number; end_s: number; caption: string; source: string }[];
  windows?: CaptionedWindow[];
  copies?: { path: string; state: string }[];
}

export interface Peaks {
  start_s: number;
  end_s: number;
  minimum: number[];
  maximum: number[];
}

/** Greys of a spectrogram, row by row from the highest frequency. */
export interface Spectrogram {
  width: number;
  height: number;
  grey: Uint8ClampedArray;
}

/**
 * All that the address tells.
 *
 * `options` has the names of the command's options; `like` is `ID@START-END`, or `upload:N` for a
 * sound that this tab holds; `show` is a collection; `panel` is `library`, `saved` or a recording's
 * number.
 */
export interface State {
  q: string;
  options: Record<string, string[]>;
  like: string;
  show: string;
  panel: string;
}

export interface Upload {
  name: string;
  body: Blob;
}
