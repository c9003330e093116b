/** The storage helper as a program of its own, for tests; the product starts it through main/. */
import { serveStorage } from "../../src/storage/storage-helper.ts";

void serveStorage(process.stdin, process.stdout);
