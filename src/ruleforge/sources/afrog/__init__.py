"""PoC files of afrog and xray: YAML with requests and an expression language of their own."""
