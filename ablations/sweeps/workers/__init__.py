"""Where arms are trained: processes of this machine (`local`), or tasks of a Ray cluster (`cluster`)."""
