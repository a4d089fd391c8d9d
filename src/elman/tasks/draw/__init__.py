"""Drawing: strokes of a pen, music, or any sequence, made step by step. One to many, many to many in step."""
