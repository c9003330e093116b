/** What a long run is made of, whatever it tests. */

export type CampaignPart = {
  /** Where the next run of the same code begins. */
  readonly next: number;
  readonly violations: readonly string[];
  readonly figures: { readonly [name: string]: number | string };
};

export type CampaignRun = {
  readonly from: number;
  /** By `performance.now()`; what is under way then may end later. */
  readonly until: number;
  readonly jobs: number;
  /** A copy of what is tested, as it was hashed: the working tree may change meanwhile. */
  readonly tree: string;
};

export type Campaign = {
  /** What is tested. Its hash tells which figures may be added up. */
  readonly paths: readonly string[];
  readonly run: (run: CampaignRun) => Promise<CampaignPart>;
};
