import { render } from "preact";
import { App } from "./app.tsx";

const root = document.getElementById("console");
root?.replaceChildren();
if (root !== null) render(<App />, root);
