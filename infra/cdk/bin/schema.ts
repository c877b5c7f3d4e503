// Prints the options' JSON Schema, by which editors complete and check options.json.
import { z } from 'zod';
import { Schema } from '../app/options.ts';

const schema = z.toJSONSchema(Schema, { io: 'input' });
// Both have defaults that only the machine knows.
schema.required = schema.required?.filter((name) => name !== 'account' && name !== 'region') ?? [];
console.log(JSON.stringify(schema, null, 2));
