
set edit:completion:arg-completer[tempo] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) TEMPO_COMPLETE="elvish" tempo -- $@words) | to-lines
}

