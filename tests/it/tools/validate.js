// validate.js SCHEMA FILE: whether FILE (JSON, or JSON lines) is what the schema says; prints what is not. Draft 4 or 7.
const fs = require("fs");
const Ajv = require("ajv");

const [schemaFile, file] = process.argv.slice(2);
const schema = JSON.parse(fs.readFileSync(schemaFile, "utf8"));
const draft4 = /draft-04/.test(schema.$schema);
const ajv = new Ajv({ schemaId: "auto", meta: !draft4, allErrors: false, unknownFormats: "ignore" });
if (draft4) ajv.addMetaSchema(require("ajv/lib/refs/json-schema-draft-04.json"));
const valid = ajv.compile(schema);
const text = fs.readFileSync(file, "utf8");
const documents = file.endsWith("l") ? text.split("\n").filter(Boolean) : [text];
for (const document of documents) {
  if (!valid(JSON.parse(document))) {
    console.log(document.slice(0, 2000), JSON.stringify(valid.errors, null, 1));
    process.exit(1);
  }
}
