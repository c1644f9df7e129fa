"""SHA-256 of the stored models' files, so that a page's fingerprint knows which weights it ran on."""

from __future__ import annotations

__all__ = ["SHA256"]

SHA256: dict[str, str] = {
    "biasfree-0": "65a34b834ea74d546b16d40dd5bbe6b9af30ddc9e02c48b805a63528a3af7c43",
    "biasfree-1": "cc6384d296013d99c4dfe72aaeef45298a4368b17c3e91da66cc6003343499c5",
    "biasfree-2": "41e4e9822f955a2752ea01f9f1089ac7581c4a8798ca30362c7f1dba31ed756f",
    "dncnn": "661268c0ec5e98cd81abe3db637a37f374aff5ca4b384c15e67e85118c656ffb",
    "gaussian": "2e361292e8d9f79c83b16052166a1f0326feec3d61e1b776c990159dbbd79049",
    "jpeg": "d775f77cc0e235b0ab29cf59b62b2ca17478fad584e7d326c57a0aa87dcfedc6",
    "naive4-0": "369f4d79fea3a5e951bb2424009f21d04a4fd19530d6a2ed86a37a90c91e30d7",
    "naive4-1": "ca3b1a19a6238fa20ba6c60b40260af94cd01f2eae68077cdbb1ab14ba92946c",
    "naive4-2": "eedbecfc81d8aa92bef4fe26c19d9944c0609a49fdc7e847832b6673b3f93f3f",
    "naive8-0": "0e960e3a5c0f06414bcdc8d866a6103e692cc6d64110acb49bbfe0d2daf1332d",
    "naive8-1": "2f659c6f877316964460183849967901b02458c4b2a49c8c715a5cad190c1329",
    "naive8-2": "9725ddf375004ba3f58fb7b351623d46c5cf9937719ee046fb5915247da9c678",
    "policy-gaussian": "eb5ada7e444768502109e4a2bbee7af31cfc11536c248455e0eed4e991cddfc9",
    "policy-jpeg": "0bbb9850002300db6f5134cb7db3b33eaf350ab6acef44b27d7f6169f15b971a",
    "random-0": "fe24d38aa58d5626e8ce6ff1169c905b33ca5824beaf2c2d7ae0c8b8561e6541",
    "random-1": "e522bb3f83231431930c6232ca61218196eb5fc65b7557d1e20f5ab3bccffc58",
    "random-2": "5e553c3deb51f8e7932fc098992da1711f9bf3e2c1e2b18183ba851c706fa064",
    "refined-0": "24e26fb50acba63358b5fafc7337f1a65811c821a4f80c99bea96844e0bfc880",
    "refined-1": "46e29a05f696b407486f63395348394def21bc6c477e46d035f28fd001c98f6f",
    "refined-2": "9e1727e14dc4fffdc57a002628825da63b92c6237a52e6ffad48db6745791b81",
    "tnrd": "2a06348cd6e221dcde26e4225e882eeebedded9b92f50c422db630059a84d821",
}
