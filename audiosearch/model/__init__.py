"""The bundle at run time: ONNX encoder, decoder, beam, scoring, text."""
