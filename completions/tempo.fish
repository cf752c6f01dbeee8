complete --keep-order --exclusive --command tempo --arguments "(TEMPO_COMPLETE=fish tempo -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
