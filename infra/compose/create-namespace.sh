#!/bin/sh
# Creates the namespace where it is missing. Histories are kept for a week: artifacts in S3 are the memory of a run.
set -eu

temporal operator cluster health
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 168h
