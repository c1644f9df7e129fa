"""The open data of a toy book, read and checked, and a page with the claims explorer."""

import csv
import io
import json
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker

PAGE = """\
# All claims

Every claim, one line each.

```{claims-explorer}
```

## Files

```{claims-explorer} files
```

```{claims-fields} claims.json
```

```{claims-fields} claims.csv
```

## Runs

```{claims-explorer} runs
```

## Sources

```{claims-explorer} sources
```
"""


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "claims.csv").read_text("utf-8"), newline="")))


def faults(folder: Path) -> list[str]:
    """Return where the files differ from the schema beside them."""
    schema = json.loads((folder / "claims.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    row = Draft202012Validator({**schema["$defs"]["csv_row"], "$defs": schema["$defs"]})
    whole = Draft202012Validator(schema, format_checker=FormatChecker())
    found = [
        *whole.iter_errors(json.loads((folder / "claims.json").read_text("utf-8"))),
        *(error for line in table(folder) for error in row.iter_errors(line)),
    ]
    return [f"{list(error.absolute_path)}: {error.message}" for error in found]
