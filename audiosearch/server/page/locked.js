// The page before the token is known: a field for it, and then what the address says.

import { tokenForm } from "./token_form.js";

const form = tokenForm(() => location.reload());
document.querySelector("main")?.append(form);
form.querySelector("input")?.focus();
