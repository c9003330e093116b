/** `node scripts/mutants.ts SET`: plants each mistake of test/mutants/SET.yaml and says which test caught it. Exits 1 when one was not. */
import { mutantSets, readMutants, runMutants } from "./mutation.ts";

const [set = ""] = process.argv.slice(2);
if (mutantSets().includes(set)) await report(set);
else {
  console.error(`name one of: ${mutantSets().join(", ")}`);
  process.exitCode = 2;
}

async function report(name: string): Promise<void> {
  const verdicts = await runMutants(readMutants(name), ({ mutant, outcome, by, seconds }) =>
    console.log(`${outcome.padEnd(8)} ${seconds.toFixed(1).padStart(5)} s  ${mutant.name}${by === "" ? "" : `\n${" ".repeat(18)}← ${by}`}`),
  );
  const missed = verdicts.filter((verdict) => verdict.outcome !== "caught").length;
  console.log(missed === 0 ? `all ${verdicts.length} caught` : `${missed} of ${verdicts.length} NOT caught`);
  process.exitCode = missed === 0 ? 0 : 1;
}
