# A worker with the workflows of this folder: docker build -t hephaestus-worker .
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY hephaestus_stream ./hephaestus_stream
COPY pytest_hephaestus ./pytest_hephaestus
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.13-slim
RUN useradd --create-home --uid 1000 hephaestus && install -d -o hephaestus /data
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links /wheels hephaestus-stream && rm -r /wheels
WORKDIR /app
COPY workflows ./workflows
USER hephaestus
ENV HEPHAESTUS_DATA=/data PYTHONUNBUFFERED=1
VOLUME /data
# SIGTERM closes the shards in order; steps that run get their grace time.
STOPSIGNAL SIGTERM
ENTRYPOINT ["hephaestus"]
CMD ["worker", "workflows"]
