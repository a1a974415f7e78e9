/**
 * Word for word from a tiny glossary: enough for an answer that differs from its prompt in the way a translation
 * does. It is not a translation, and words it does not know stay as they are.
 */
const ENGLISH =
  "the a an and or but of in on to for with from by is are was were be been not no all that this it he she they we you my your our his her their have has had will shall who which when there here now more little great good old new man men woman wife world life time day night year years people nation god earth heaven heart water sea ship house father mother sister brother friend death love war truth light dark first one two three very some without so as if at upon".split(
    " ",
  );
const TARGETS: Readonly<Record<string, readonly string[]>> = {
  french:
    "le un un et ou mais de dans sur à pour avec de par est sont était étaient être été pas aucun tout que ce il il elle ils nous vous mon votre notre son sa leur avoir a avait va doit qui lequel quand là ici maintenant plus petit grand bon vieux nouveau homme hommes femme épouse monde vie temps jour nuit année années peuple nation Dieu terre ciel cœur eau mer navire maison père mère sœur frère ami mort amour guerre vérité lumière sombre premier un deux trois très quelque sans si comme si à sur".split(
      " ",
    ),
  german:
    "die ein ein und oder aber von in auf zu für mit von durch ist sind war waren sein gewesen nicht kein alle dass dies es er sie sie wir du mein dein unser sein ihr ihr haben hat hatte wird soll wer welche wenn dort hier jetzt mehr klein groß gut alt neu Mann Männer Frau Gattin Welt Leben Zeit Tag Nacht Jahr Jahre Volk Nation Gott Erde Himmel Herz Wasser Meer Schiff Haus Vater Mutter Schwester Bruder Freund Tod Liebe Krieg Wahrheit Licht dunkel erste eins zwei drei sehr einige ohne so wie wenn bei auf".split(
      " ",
    ),
  spanish:
    "el un un y o pero de en sobre a para con de por es son era eran ser sido no ningún todo que este ello él ella ellos nosotros usted mi tu nuestro su su su tener tiene tenía va debe quien cual cuando allí aquí ahora más pequeño gran bueno viejo nuevo hombre hombres mujer esposa mundo vida tiempo día noche año años pueblo nación Dios tierra cielo corazón agua mar barco casa padre madre hermana hermano amigo muerte amor guerra verdad luz oscuro primero uno dos tres muy algún sin tan como si en sobre".split(
      " ",
    ),
};
const GLOSSARIES = new Map(
  Object.entries(TARGETS).map(([language, words]) => [
    language,
    new Map(ENGLISH.map((word, index) => [word, words[index] ?? word])),
  ]),
);
/** Longer texts are cut to this before the work begins. */
const MAX_CHARS = 4_000;

/** The language a task asks for, of those that are known here. */
export function languageOf(task: string): string | undefined {
  return /\b(french|german|spanish)\b/i.exec(task)?.[1]?.toLowerCase();
}

/** @param language as `languageOf` gives it; any other leaves the text as it is */
export function translate(text: string, language: string): string {
  const glossary = GLOSSARIES.get(language);
  return text.slice(0, MAX_CHARS).replace(/[A-Za-z]+/g, (word) => {
    const found = glossary?.get(word.toLowerCase());
    if (found === undefined) return word;
    return /^[A-Z]/.test(word) ? (found[0] ?? "").toUpperCase() + found.slice(1) : found;
  });
}
