"""Makes a small Vosk model for the speaker's own sentences, from nothing: `python -m device.model_building`.

Data flows one way: templates -> sentences -> synthesised clips, and people's recordings -> features -> training
-> nnet3 file; and templates -> lexicon and n-gram -> decoding graph. Only `network`, `lf_mmi` and `training` need
torch, only `features` needs kaldi-native-fbank. `recipe.toml` is the one configuration file.
"""
