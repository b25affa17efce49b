# syntax=docker/dockerfile:1

# The Python that the tests run with.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# Dependencies first: this layer changes only with the lock files.
COPY requirements/ requirements/
# No pip in the environment that ships; what builds the wheel comes from the lock of the tests.
RUN python -m venv --without-pip /opt/imagecache \
 && pip --python /opt/imagecache/bin/python install --require-hashes --only-binary :all: -r requirements/runtime.txt \
 && awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' requirements/dev.txt \
    > /tmp/build.txt \
 && pip install --require-hashes --only-binary :all: -r /tmp/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY operator/ operator/
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && pip --python /opt/imagecache/bin/python install --no-deps --no-index /wheels/*.whl \
 && /opt/imagecache/bin/imagecache-operator --version

FROM python:${PYTHON_VERSION}-slim
COPY --from=build /opt/imagecache /opt/imagecache
ENV PATH=/opt/imagecache/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /
EXPOSE 8080 8081
ENTRYPOINT ["imagecache-operator"]
CMD ["run"]
