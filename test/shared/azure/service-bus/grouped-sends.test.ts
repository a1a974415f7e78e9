import fc from "fast-check";
import { expect, it } from "vitest";
import { GroupedSends } from "../../../../shared/azure/service-bus/grouped-sends.ts";

/** A sender whose answers are given by hand. */
function sender(maxItems = 200) {
  const groups: number[][] = [];
  const answers: PromiseWithResolvers<void>[] = [];
  const sends = new GroupedSends<number>((items) => {
    groups.push([...items]);
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    return answer.promise;
  }, maxItems);
  return { groups, answers, sends };
}

/** What follows an answer is decided within microtasks. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

it("sends at once what comes alone", async () => {
  const { groups, answers, sends } = sender();
  const first = sends.send(1);
  expect(groups).toEqual([[1]]);
  answers[0]?.resolve();
  await first;
  void sends.send(2);
  expect(groups).toEqual([[1], [2]]);
});

it("sends together, in order, what came while another send was under way; no more than the most of one send", async () => {
  const { groups, answers, sends } = sender(3);
  const all = [1, 2, 3, 4, 5].map((item) => sends.send(item));
  expect(groups).toEqual([[1]]);
  answers[0]?.resolve();
  await all[0];
  expect(groups).toEqual([[1], [2, 3, 4]]);
  answers[1]?.resolve();
  await Promise.all(all.slice(1, 4));
  expect(groups).toEqual([[1], [2, 3, 4], [5]]);
});

it("tells a group's failure to its own, and goes on with the next", async () => {
  const { groups, answers, sends } = sender();
  const [first, second, third] = [sends.send(1), sends.send(2), sends.send(3)];
  answers[0]?.reject(new Error("busy"));
  await expect(first).rejects.toThrow("busy");
  answers[1]?.resolve();
  await Promise.all([second, third]);
  expect(groups).toEqual([[1], [2, 3]]);
});

it("loses none and sends none twice, whatever is answered when", async () => {
  const step = fc.constantFrom("send", "done", "failed");
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { groups, answers, sends } = sender(4);
      let item = 0;
      let heard = 0;
      const hear = () => heard++;
      const answer = (failed: boolean) => {
        const next = answers.shift();
        if (failed) next?.reject(new Error("busy"));
        else next?.resolve();
      };
      for (const what of steps) {
        if (what === "send") sends.send(++item).then(hear, hear);
        else answer(what === "failed");
        await settled();
      }
      while (answers.length > 0) {
        answer(false);
        await settled();
      }
      expect(heard).toBe(item);
      expect(groups.flat()).toEqual(Array.from({ length: item }, (_, n) => n + 1));
    }),
  );
});
