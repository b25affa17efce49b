# The Python that the tests run with. Dependabot renews the digest; how to do it by hand: docs/release.md.
FROM docker.io/library/python:3.11.16-slim-trixie@sha256:be1575ed968de893bd54f4c56315ff7c4736ce522c1bca08fd521731aafc0d76 AS base
# Byte-code is made once, in the build, and kept apart from the sources: what is here serves the standard library, too.
ENV PYTHONPYCACHEPREFIX=/opt/imagecache/pycache PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Bytes: glibc's default, which it raises by itself unless it is named. TLS takes twice as much for each connection;
# given back to the system one by one, it leaves no holes behind.
ENV MALLOC_MMAP_THRESHOLD_=131072

FROM base AS build
# The hash seed: byte-code has to be the same at every build.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONHASHSEED=0
WORKDIR /src

# Dependencies first: they change only with the lock files. The environment that ships has no pip; another one has what
# builds the wheel, in the versions of the tests' lock.
COPY requirements/ requirements/
RUN python -m venv --without-pip /opt/imagecache \
 && pip --python /opt/imagecache/bin/python install --no-compile --require-hashes --only-binary :all: -r requirements/runtime.txt \
 && awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' requirements/dev.txt \
    > /tmp/build.txt \
 && python -m venv --without-pip /opt/build \
 && pip --python /opt/build/bin/python install --no-compile --require-hashes --only-binary :all: -r /tmp/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY operator/ operator/
COPY image/bytecode.py image/
RUN pip --python /opt/build/bin/python wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && pip --python /opt/imagecache/bin/python install --no-compile --no-deps --no-index /wheels/*.whl \
 && /opt/imagecache/bin/python image/bytecode.py \
 && /opt/imagecache/bin/imagecache-operator --version

FROM base
LABEL org.opencontainers.image.title="imagecache-operator" \
      org.opencontainers.image.description="Kubernetes operator for image caches of Huawei Cloud CCE Autopilot" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is installed into this image any more. It gets no smaller by that, but scanners find nothing in there either.
RUN python -m pip uninstall --yes --quiet pip setuptools wheel packaging
COPY --from=build /opt/imagecache /opt/imagecache
ENV PATH=/opt/imagecache/bin:$PATH
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /
EXPOSE 8080 8081
ENTRYPOINT ["imagecache-operator"]
CMD ["run"]
