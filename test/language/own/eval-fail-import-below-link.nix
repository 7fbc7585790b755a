scopedImport { } ./links/dangling/below
