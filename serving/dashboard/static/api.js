// The API to read and to try: the description of every route, drawn by the Swagger UI that BentoML brings along.

import { BASE } from "./shell.js";

if (typeof SwaggerUIBundle === "undefined") {
  const link = document.createElement("a");
  link.href = "docs.json";
  link.textContent = "The description of every route (OpenAPI, JSON)";
  document.getElementById("swagger").append(link);
} else {
  SwaggerUIBundle({ url: new URL("docs.json", BASE).href, dom_id: "#swagger", defaultModelsExpandDepth: -1, docExpansion: "list", persistAuthorization: false });
}
